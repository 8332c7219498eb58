# RFC 9051 section 6.3.9: an empty pattern asks for the delimiter.
login A
C: a LIST "" ""
S: * LIST (\Noselect) "/" ""
S: a OK {{.*}}
