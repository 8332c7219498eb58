# RFC 9051 section 6.1.1: told before and after login, without arguments.
connect A
S: * OK [CAPABILITY IMAP4rev1 {{.*}}] {{.*}}
C: a CAPABILITY
S: * CAPABILITY IMAP4rev1 {{.*}}
S: a OK {{.*}}
C: b CAPABILITY x
S: b BAD {{.*}}
C: c LOGIN ${user} ${password}
S: c OK [CAPABILITY IMAP4rev1 {{(?!.*LOGINDISABLED)(?!.*AUTH=).*}}] {{.*}}
