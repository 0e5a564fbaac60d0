"""The math verifier: extraction, normal forms, exact algebra, symbolic equality."""
