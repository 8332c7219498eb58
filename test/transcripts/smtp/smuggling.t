connect A
S: 220 mail.example.test ESMTP postkasse
C: EHLO client.test
S~ 250 LIMITS RCPTMAX={{\d+}}

# Only CR LF . CR LF ends a message; what somebody else may take for its end spoils it.
C: MAIL FROM:<a@client.test>
S: 250 2.1.0 Sender OK
C: RCPT TO:<${user}>
S: 250 2.1.5 Recipient OK
C: DATA
S: 354 {{.*}}
C- Subject: a\r\n\r\nb\n.\r\nMAIL FROM:<x@y.test>\r\nRCPT TO:<${user}>\r\nDATA\r\nevil\r\n.\r\nNOOP\r\n
S: 550 5.6.11 {{.*}}
S: 250 2.0.0 OK
C: MAIL FROM:<a@client.test>
S: 250 2.1.0 Sender OK
C: RCPT TO:<${user}>
S: 250 2.1.5 Recipient OK
C: DATA
S: 354 {{.*}}
C- a\r\n.\nb\r.\r\n.\r\n
S: 550 5.6.11 {{.*}}
C- NOOP\nRSET\r\n
S: 500 5.5.2 {{.*}}
S: 250 2.0.0 OK
C- NO\x00OP\r\n
S: 500 5.5.2 {{.*}}
C: QUIT
S: 221 2.0.0 Bye
S$
