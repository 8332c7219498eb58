login A
C: a CREATE One/Two
S: a OK Done
C: b SELECT One/Two
S~ b OK [READ-WRITE] Selected
C: c RENAME One Three
S: c OK Done
C: d APPEND Three/Two {3+}
C: Abc
S: * 1 EXISTS
S: * {{[01]}} RECENT
S: d OK [APPENDUID {{.*}} 1] Appended
kill store
C: e FETCH 1 UID
S: * 1 FETCH (UID 1)
S: e OK Fetched
