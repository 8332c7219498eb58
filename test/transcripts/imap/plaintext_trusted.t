# ... but from the networks that the operator names.
option auth_without_tls = no
option auth_without_tls_from = 192.0.2.0/24 127.0.0.0/8
connect A
S: * OK [CAPABILITY {{(?!.*LOGINDISABLED).*}}AUTH=SCRAM-SHA-256 AUTH=PLAIN{{.*}}] postkasse ready
C: a LOGIN ${user} ${password}
S: a OK [CAPABILITY {{.*}}] Logged in
