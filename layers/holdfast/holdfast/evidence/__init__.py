"""What the legal team takes away: custody entries and, later, seals and packages."""
