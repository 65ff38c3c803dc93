"""The tests mirror the tree; tests/e2e runs the real processes."""
