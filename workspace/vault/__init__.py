"""What people share: who holds an account, and who held it when."""
