# Names with wildcards are names; what is not modified UTF-7 is refused and nothing is made.
login A
C: a CREATE "100% *"
S: a OK Done
C: b LIST "" "100*"
S: * LIST (\HasNoChildren) "/" "100% *"
S: b OK Listed
C: c STATUS "100% *" (MESSAGES)
S: * STATUS "100% *" (MESSAGES 0)
S: c OK Done
C: d RENAME "100% *" %
S: d BAD {{.*}}
C: e RENAME "100% *" "%"
S: e OK Done
C: f CREATE &AGEAYg-
S: f NO [CANNOT] {{.*}}
C: g RENAME "%" "a&b"
S: g NO [CANNOT] {{.*}}
C: h SELECT "&"
S: h NO [CANNOT] {{.*}}
C: i LIST "" "&*"
S: i OK Listed
C: j DELETE "%"
S: j OK Done
C: k APPEND Nowhere {3+}
C: Abc
S: k NO [TRYCREATE] {{.*}}
