"""The sections of the page that shows a comparison: each module makes one of them as markup."""
