# Literals of both kinds wherever a string may stand, and refusals that keep the connection in step.
login A
C: a CREATE {5}
S: + OK
C: Box 1
S: a OK Done
C: b LIST {0+}
C:  {1+}
C: *
S~ * LIST ({{.*}}) "/" "Box 1"
S~ b OK Listed
C: c STATUS {5+}
C: Box 1 (MESSAGES UIDNEXT)
S: * STATUS "Box 1" (MESSAGES 0 UIDNEXT 1)
S: c OK Done
# Too large for anything but a message: the client is told before it sends.
C: d CREATE {70000}
S: d NO [TOOBIG] {{.*}}
C: e NOOP
S: e OK Done
# An announcement that is none.
C: h CREATE {x}
S: h BAD {{.*}}
C: i CREATE {5
S: i BAD {{.*}}
C: j LOGOUT
S~ j OK Logged out
