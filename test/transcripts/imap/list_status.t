# RFC 5819 section 2: LIST RETURN (STATUS ...) tells both.
login A
C: a LIST "" Sent RETURN (STATUS (MESSAGES UNSEEN))
S: * LIST ({{.*}}) "/" Sent
S: * STATUS Sent (MESSAGES 0 UNSEEN 0)
S: a OK {{.*}}
C: b LIST "" Sent RETURN (STATUS)
S: b BAD {{.*}}
