# A message above the limit that the client sends without waiting is read past, a line that is too long is
# answered by its tag, and an ID of the largest size fits (RFC 2971 section 3.3).
option message_size_max = 64K
option auth_without_tls = yes
repeat above 65537 x
repeat long 20000 x
repeat value 1024 v
repeat more 29  "a field name of 30 characters." "${value}"
login A
C: a APPEND INBOX {65537+}
C: ${above}
S: a NO [TOOBIG] {{.*}}
C: b APPEND INBOX {3+}
C: Abc
S: b OK {{.*}}
C: c APPEND INBOX {9999999+}
S: c NO [TOOBIG] {{.*}}
S: * BYE [TOOBIG] {{.*}}
S$
connect B
S: * OK {{.*}}
C: a LOGIN x ${long}
S: a BAD {{.*}}
C: b LOGIN x ${above}
S: b BAD {{.*}}
C: c ID ("another name of 30 characters." "${value}"${more})
S: * ID {{.*}}
S: c OK {{.*}}
C: d LOGIN ${user} ${password}
S: d OK {{.*}}
