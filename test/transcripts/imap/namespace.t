# RFC 2342 section 5: one personal namespace.
login A
C: a NAMESPACE
S: * NAMESPACE (("" "/")) NIL NIL
S: a OK {{.*}}
C: b NAMESPACE x
S: b BAD {{.*}}
