"""What Cerby is measured beside, each as small as it can be."""
