"""What every act on a delivery needs."""
