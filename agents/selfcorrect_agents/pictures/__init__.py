"""Pictures and pages as escaped markup: elements, and learning curves as SVG."""
