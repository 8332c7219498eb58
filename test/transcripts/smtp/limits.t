option recipients_max = 2
option smtp_errors_max = 3
option message_size_max = 64K
option received_max = 5
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS RCPTMAX=2
C: MAIL FROM:<a@client.test>
S: 250 2.1.0 Sender OK
C: RCPT TO:<${user}>
S: 250 2.1.5 Recipient OK
C: RCPT TO:<${user}>
S: 250 2.1.5 Recipient OK
C: RCPT TO:<${user}>
S: 452 4.5.3 {{.*}}
C: DATA
S: 354 {{.*}}
C: Received: 1
C: Received: 2
C: Received: 3
C: Received: 4
C: Received: 5
C: Received: 6
C:
C: .
S: 554 5.4.6 {{.*}}
C: MAIL FROM:<a@client.test> SIZE=65537
S: 552 5.3.4 {{.*}}
C: NONSENSE
S: 500 5.5.1 {{.*}}
C: NONSENSE
S: 500 5.5.1 {{.*}}
C: NONSENSE
S: 500 5.5.1 {{.*}}
C: NONSENSE
S: 500 5.5.1 {{.*}}
S: 421 4.7.0 Too many errors
S$
