# RFC 2920: everything in one go, refusals in between.
connect A
S: 220 {{.*}}
C- EHLO client.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<${user}>\r\nDATA\r\n
S~ 250 LIMITS {{.*}}
S: 250 2.1.0 Sender OK
S: 550 5.1.1 {{.*}}
S: 250 2.1.5 Recipient OK
S: 354 {{.*}}
C- Subject: a\r\n\r\n..\r\n.\r\nMAIL FROM:<b@client.test>\r\nRCPT TO:<${user}>\r\nDATA\r\n
S: 250 2.0.0 Delivered as {{.*}}
S: 250 2.1.0 Sender OK
S: 250 2.1.5 Recipient OK
S: 354 {{.*}}
C- x\r\n.\r\nQUIT\r\n
S: 250 2.0.0 Delivered as {{.*}}
S: 221 2.0.0 Bye
S$
