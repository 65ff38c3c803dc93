"""The SCIM door: what Okta and other identity providers speak to (RFC 7643, RFC 7644)."""
