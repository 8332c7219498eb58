# RFC 3501 section 6.4.1: CHECK and NOOP tell what is new.
include three_messages
login B
CB: a APPEND INBOX {3+}
CB: One
SB: a OK {{.*}}
CA: b CHECK
SA: * 4 EXISTS
SA~ b OK {{.*}}
CA: c NOOP
SA: c OK {{.*}}
