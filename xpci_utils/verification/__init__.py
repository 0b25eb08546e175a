"""Does what is committed hold? Every digest, table, figure and two trainings, checked again (``xpci verify``)."""
