# RFC 9051 section 6.3.12: what is no APPEND; a literal that was announced is never taken for a command.
login A
C: a APPEND INBOX
S: a BAD {{.*}}
C: b APPEND INBOX (\Seen
S: b BAD {{.*}}
C: c APPEND INBOX "no date" {1+}
C: x
S: c BAD {{.*}}
C: e APPEND INBOX {1+}
C: xy
S: e BAD {{.*}}
C: f APPEND INBOX "quoted"
S: f BAD {{.*}}
C: g STATUS INBOX (MESSAGES)
S: * STATUS INBOX (MESSAGES 0)
S: g OK {{.*}}
