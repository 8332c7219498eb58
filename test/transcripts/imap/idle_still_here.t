# A client in IDLE hears from us now and then, others do not.
option imap_idle_interval = 200ms
login A
login B
CA: a IDLE
SA: + idling
SA: * OK Still here
SA: * OK Still here
CA: DONE
SA~ a OK {{.*}}
CB: a NOOP
SB: a OK Done
