#ifndef POSTKASSE_IMAP_PROCESS_H
#define POSTKASSE_IMAP_PROCESS_H

/* Between client.c (a connection's life) and process.c (its input and the commands in it); nobody
 * else needs these. */

#include "imap/client.h"

/* Reads and runs commands as far as that goes now. */
void imap_process(struct imap_client *client);
/* Has imap_process called soon, unless it is running. */
void imap_process_again(struct imap_client *client);
/* Gives back all that the command under way held. */
void imap_command_over(struct imap_client *client);
/* Gives back what the command that is being read has taken. */
void imap_drop_literal(struct imap_client *client);
void imap_restart_deadline(struct imap_client *client);
/* After login: other limits hold, and SASL is over. */
void imap_logged_in(struct imap_client *client);

#endif
