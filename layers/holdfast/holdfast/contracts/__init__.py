"""Everything that crosses a border: events, what the steps take and answer, the vendor's documents."""
