"""Station files as people have them: ISMN downloads, tables of national networks, CSV; to readings per period."""
