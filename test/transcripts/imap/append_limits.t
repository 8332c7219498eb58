option message_size_max = 64K
login A
C: a APPEND INBOX {65537}
S: a NO [TOOBIG] {{.*}}
C: b APPEND INBOX {99999999999999999999999}
S: b NO [TOOBIG] {{.*}}
C: c APPEND Nowhere {5}
S: + OK
C: Hello
S: c NO [TRYCREATE] {{.*}}
C: d APPEND INBOX {0}
S: + OK
C: 
S: d NO [CANNOT] {{.*}}
C: e APPEND INBOX "33-Nov-2026 10:00:00 +0000" {5}
S: + OK
C: Hello
S: e BAD {{.*}}
C: f APPEND INBOX (\Nonsense) {5}
S: + OK
C: Hello
S: f BAD {{.*}}
C: g APPEND INBOX {5}
S: + OK
C: Hello {5}
S: + OK
C: Hello
S: g BAD {{.*}}
C: h APPEND INBOX Hello
S: h BAD {{.*}}
C: i APPEND INBOX (\Seen) {5+}
C: Hello
S: i OK [APPENDUID {{.*}} 1] Appended
C: j STATUS INBOX (MESSAGES UNSEEN)
S: * STATUS INBOX (MESSAGES 1 UNSEEN 0)
S: j OK Done
C: k LOGOUT
S~ k OK Logged out
