"""From records to conversations to destinations: everything between the edges."""
