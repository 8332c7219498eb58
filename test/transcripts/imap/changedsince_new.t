# Who keeps the highest modseq that it has seen must know every message up to it: what is new is told before
# what has changed, though the change came later.
login A
login B
CA: a SELECT INBOX (CONDSTORE)
SA~ a OK [READ-WRITE] Selected
CB: a SELECT INBOX (CONDSTORE)
SB~ a OK [READ-WRITE] Selected
CB: b APPEND INBOX {3+}
CB: One
SB~ b OK [APPENDUID {{.*}} 1] Appended
CA: b NOOP
SA~ b OK Done
CA: c FETCH 1 (MODSEQ)
SA: * 1 FETCH (MODSEQ ({{first=[0-9]+}}))
SA: c OK Fetched
CB: c APPEND INBOX {3+}
CB: Two
SB~ c OK [APPENDUID {{.*}} 2] Appended
CB: d STORE 1 +FLAGS.SILENT (\Flagged)
SB: * 1 FETCH (UID 1 MODSEQ ({{last=[0-9]+}}))
SB: d OK Stored
CA: d FETCH 1 (FLAGS) (CHANGEDSINCE ${first})
SA: * 2 EXISTS
SA~ * 1 FETCH ({{.*}}MODSEQ (${last}){{.*}})
SA~ d OK Fetched
# The same by UID.
CB: e APPEND INBOX {5+}
CB: Three
SB~ e OK [APPENDUID {{.*}} 3] Appended
CB: f STORE 1 +FLAGS.SILENT (\Answered)
SB: * 1 FETCH (UID 1 MODSEQ ({{later=[0-9]+}}))
SB: f OK Stored
CA: e UID FETCH 1 (FLAGS) (CHANGEDSINCE ${last})
SA: * 3 EXISTS
SA~ e OK Fetched
# FETCH of MODSEQ, and SEARCH, tell of no modseq above that of a message that is not known yet.
CB: g APPEND INBOX {4+}
CB: Four
SB~ g OK [APPENDUID {{.*}} 4] Appended
CB: h STORE 1 -FLAGS.SILENT (\Answered)
SB~ h OK Stored
CA: f SEARCH MODSEQ ${later}
SA: * 4 EXISTS
SA~ * SEARCH 1 4 (MODSEQ {{[0-9]+}})
SA: f OK Searched
CB: i APPEND INBOX {4+}
CB: Five
SB~ i OK [APPENDUID {{.*}} 5] Appended
CB: j STORE 1 +FLAGS.SILENT (\Answered)
SB~ j OK Stored
CA: g FETCH 1 (MODSEQ)
SA: * 5 EXISTS
SA~ g OK Fetched
CB: k APPEND INBOX {3+}
CB: Six
SB~ k OK [APPENDUID {{.*}} 6] Appended
CA: h STORE 1 +FLAGS.SILENT (\Draft)
SA: * 6 EXISTS
SA~ * 1 FETCH (UID 1 MODSEQ ({{[0-9]+}}))
SA~ h OK Stored
