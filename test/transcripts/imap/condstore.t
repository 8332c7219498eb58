login A
C: a SELECT INBOX (CONDSTORE)
S~ * OK [HIGHESTMODSEQ {{start=[0-9]+}}] Ok
S~ a OK [READ-WRITE] Selected
C: b APPEND INBOX {3+}
C: One
S~ b OK [APPENDUID {{.*}} 1] Appended
C: c FETCH 1 (MODSEQ)
S: * 1 FETCH (MODSEQ ({{first=[0-9]+}}))
S: c OK Fetched
C: d STORE 1 (UNCHANGEDSINCE ${first}) +FLAGS.SILENT (\Seen)
S: * 1 FETCH (UID 1 MODSEQ ({{second=[0-9]+}}))
S: d OK Stored
C: e STORE 1 (UNCHANGEDSINCE ${first}) +FLAGS.SILENT (\Flagged)
S~ e OK [MODIFIED 1] Stored
C: f UID FETCH 1:* (FLAGS) (CHANGEDSINCE ${second})
S: f OK Fetched
C: g UID FETCH 1:* (FLAGS) (CHANGEDSINCE ${first})
S: * 1 FETCH (UID 1 FLAGS (\Seen{{.*}}) MODSEQ (${second}))
S: g OK Fetched
C: h SEARCH MODSEQ ${second}
S: * SEARCH 1 (MODSEQ ${second})
S: h OK Searched
C: i STATUS INBOX (HIGHESTMODSEQ)
S: * STATUS INBOX (HIGHESTMODSEQ {{[0-9]+}})
S: i OK Done
C: j ENABLE CONDSTORE NONSENSE
S: * ENABLED
S: j OK Done
