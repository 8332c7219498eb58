# RFC 9051 section 6.3.7: a subscription stays when the mailbox is deleted.
login A
C: a CREATE gone
S: a OK {{.*}}
C: b SUBSCRIBE gone
S: b OK {{.*}}
C: c DELETE gone
S: c OK {{.*}}
C: d LIST (SUBSCRIBED) "" gone
S: * LIST ({{(?=.*Subscribed)(?=.*NonExistent).*}}) "/" gone
S: d OK {{.*}}
C: e UNSUBSCRIBE gone
S: e OK {{.*}}
C: f LIST (SUBSCRIBED) "" gone
S: f OK {{.*}}
