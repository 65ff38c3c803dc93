"""A company to try the product on, and a miniature Okta tenant that speaks the real protocol to it."""
