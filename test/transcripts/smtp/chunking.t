connect A
S: 220 mail.example.test ESMTP postkasse
C: EHLO client.test
S~ 250 LIMITS RCPTMAX={{\d+}}

# RFC 3030: chunks, a refused one whose bytes are read all the same, no end of line needed.
C: MAIL FROM:<a@client.test>
S: 250 2.1.0 Sender OK
C: RCPT TO:<${user}>
S: 250 2.1.5 Recipient OK
C- BDAT 12\r\nSubject: a\r\n
S: 250 2.0.0 Octets received: 12
C: DATA
S: 503 5.5.1 {{.*}}
C- BDAT 5\r\n\r\n.\r\nBDAT 0 LAST\r\n
S: 250 2.0.0 Octets received: 5
S: 250 2.0.0 Delivered as {{.*}}
C- BDAT 6 LAST\r\nQUIT\r\n
S: 503 5.5.1 Say MAIL first
C: NOOP
S: 250 2.0.0 OK
C: BDAT many
S: 501 5.5.4 {{.*}}
S: 421 {{.*}}
S$
