/* COMMIT */
#include "zone.h"
void commit_start(struct channel *channel) { failed("commit", 38, "not yet", ""); send_failure(channel); }
void commit_work(void) {}
void commit_stop(struct channel *channel) { (void)channel; }
void commit_ended(pid_t pid) { (void)pid; }
bool commit_owns(pid_t pid) { (void)pid; return false; }
void commit_watch(struct watch *all) { (void)all; }
