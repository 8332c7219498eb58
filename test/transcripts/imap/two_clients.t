# What one does the other sees, at the right moments.
login A
login B
CA: a SELECT INBOX
SA~ a OK [READ-WRITE] Selected
CB: a SELECT INBOX
SB~ a OK [READ-WRITE] Selected
CA: b APPEND INBOX {3+}
CA: One
SA: * 1 EXISTS
SA: * {{[01]}} RECENT
SA~ b OK [APPENDUID {{.*}} 1] Appended
CA: c APPEND INBOX {3+}
CA: Two
SA: * 2 EXISTS
SA: * {{[012]}} RECENT
SA~ c OK [APPENDUID {{.*}} 2] Appended
CB: b NOOP
SB: * 2 EXISTS
SB: * {{[012]}} RECENT
SB: b OK Done
CA: d STORE 1 +FLAGS (\Deleted)
SA: * 1 FETCH (UID 1 FLAGS (\Deleted{{.*}}))
SA: d OK Stored
CB: c NOOP
SB: * 1 FETCH (UID 1 FLAGS (\Deleted{{.*}}))
SB: c OK Done
CA: e EXPUNGE
SA: * 1 EXPUNGE
SA~ e OK Expunged
# FETCH by number must not change numbers: the message that is gone gives no row.
CB: d FETCH 1:2 UID
SB: * 2 FETCH (UID 2)
SB: d OK [EXPUNGEISSUED] Fetched
CB: e SEARCH ALL
SB: * SEARCH 2
SB: e OK [EXPUNGEISSUED] Searched
CB: f NOOP
SB: * 1 EXPUNGE
SB~ f OK Done
CB: g IDLE
SB: + idling
CA: f STORE 1 +FLAGS ($Label)
SA~ * 1 FETCH (UID 2 FLAGS ({{.*}}$Label{{.*}}))
SA: f OK Stored
SB~ * 1 FETCH (UID 2 FLAGS ({{.*}}$Label{{.*}}))
CB: DONE
SB: g OK {{.*}}
CA: g DELETE Trash
SA: g OK Done
