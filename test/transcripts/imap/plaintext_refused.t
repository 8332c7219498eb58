# Without TLS nobody logs in, by whatever mechanism: the mail would travel in clear too.
option auth_without_tls = no
connect A
S: * OK [CAPABILITY {{(?!.*AUTH=).*}} STARTTLS{{.*}} LOGINDISABLED] postkasse ready
C: a LOGIN ${user} ${password}
S: a NO [PRIVACYREQUIRED] {{.*}}
C: b AUTHENTICATE PLAIN ${plain}
S: b NO [PRIVACYREQUIRED] {{.*}}
C: b2 AUTHENTICATE SCRAM-SHA-256
S: b2 NO [PRIVACYREQUIRED] {{.*}}
C: c STARTTLS
S: c OK {{.*}}
starttls A
C: d CAPABILITY
S: * CAPABILITY IMAP4rev1 {{.*}}AUTH=SCRAM-SHA-256-PLUS{{.*}}AUTH=PLAIN{{.*}}
S: d OK {{.*}}
C: e STARTTLS
S: e BAD TLS is active already
C: f AUTHENTICATE PLAIN ${plain}
S: f OK [CAPABILITY {{.*}}] Logged in
connect B tls
S: * OK [CAPABILITY IMAP4rev1 {{.*}}] postkasse ready
C: a LOGIN ${user} ${password}
S: a OK [CAPABILITY {{.*}}] Logged in
