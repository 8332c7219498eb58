# A browser that was made to talk to us (cross-protocol attack) is not listened to.
connect A
S: 220 {{.*}}
C- POST / HTTP/1.1\r\nHost: mail.example.test\r\n\r\nEHLO x\r\nMAIL FROM:<a@b.test>\r\n
S: 421 4.7.0 This is SMTP
S$
