# RFC 3207: the state before is forgotten, and so is what came in clear behind the command.
connect A
S: 220 {{.*}}
C: STARTTLS
S: 503 5.5.1 Say EHLO first
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<injected@client.test>
S: 250 2.1.0 Sender OK
C: STARTTLS now
S: 501 5.5.4 {{.*}}
C: STARTTLS
S: 220 2.0.0 Ready to start TLS
starttls A
C: MAIL FROM:<a@client.test>
S: 503 5.5.1 Say EHLO first
C: EHLO client.test
S: 250-mail.example.test
S: 250-PIPELINING
S: 250-ENHANCEDSTATUSCODES
S: 250-CHUNKING
S: 250-SIZE 52428800
S: 250-8BITMIME
S: 250-SMTPUTF8
S: 250 LIMITS {{.*}}
C: STARTTLS
S: 503 5.5.1 {{.*}}
C: MAIL FROM:<a@client.test>
S: 250 2.1.0 Sender OK
C: RCPT TO:<${user}>
S: 250 2.1.5 Recipient OK
C: DATA
S: 354 {{.*}}
C: Subject: over TLS
C:
C: text
C: .
S: 250 2.0.0 Delivered as {{.*}}
C: QUIT
S: 221 2.0.0 Bye
S$
