# RFC 3501 section 2.3.2: one session alone is told that a message is recent; EXAMINE does not take that.
include three_messages
C: a APPEND Sent {3+}
C: One
S: a OK {{.*}}
C: b EXAMINE Sent
S~ * 1 RECENT
S~ b OK {{.*}}
C: c SELECT Sent
S~ * 1 RECENT
S~ c OK {{.*}}
C: d SELECT Sent
S~ * 0 RECENT
S~ d OK {{.*}}
