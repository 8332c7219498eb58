connect A
S: 220 mail.example.test ESMTP postkasse
C: EHLO client.test
S~ 250 LIMITS RCPTMAX={{\d+}}

C: MAIL FROM:<a@client.test> SIZE=52428801
S: 552 5.3.4 {{.*}}
C: MAIL FROM:<a@client.test> SIZE=many
S: 501 5.5.4 {{.*}}
C: MAIL FROM:<a@client.test> BODY=BINARYMIME
S: 555 5.5.4 {{.*}}
C: MAIL FROM:<a@client.test> X-UNKNOWN
S: 555 5.5.4 {{.*}}
C: MAIL FROM:<a@[999.1.1.1]>
S: 501 5.1.7 {{.*}}
C: MAIL FROM:a@client.test
S: 501 5.1.7 {{.*}}
C: MAIL FROM:<a b@client.test>
S: 501 5.1.7 {{.*}}
C: MAIL FROM:<bücher@client.test>
S: 553 5.6.7 {{.*}}
C: MAIL
S: 501 5.5.4 {{.*}}
C: MAIL FROM: <"a b"@client.test> size=100 body=8BITMIME
S: 250 2.1.0 Sender OK
C: RSET
S: 250 2.0.0 OK
C: MAIL FROM:<bücher@bücher.test> SMTPUTF8
S: 250 2.1.0 Sender OK
C: RCPT TO:<${user}>
S: 250 2.1.5 Recipient OK
