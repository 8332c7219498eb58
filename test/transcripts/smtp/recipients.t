connect A
S: 220 mail.example.test ESMTP postkasse
C: EHLO client.test
S~ 250 LIMITS RCPTMAX={{\d+}}

C: MAIL FROM:<>
S: 250 2.1.0 Sender OK
C: RCPT TO:<nobody@example.test>
S: 550 5.1.1 {{.*}}
C: RCPT TO:<someone@other.test>
S: 550 5.7.1 {{.*}}
C: DATA
S: 554 5.5.1 No valid recipients
C: RCPT TO:<@relay.test:${user}>
S: 250 2.1.5 Recipient OK
C: RCPT TO:${user}
S: 501 5.1.3 {{.*}}
C: RCPT TO:<>
S: 501 5.1.3 {{.*}}
C: RCPT TO:<${user}> NOTIFY=NEVER
S: 555 5.5.4 {{.*}}
C: DATA
S: 354 {{.*}}
C: Subject: a
C:
C: b
C: .
S: 250 2.0.0 Delivered as {{[0-9a-f]{16}}}
