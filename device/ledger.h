/* An account of what a run captured, for tests and acceptance runs (docs/spec/device.md, LEDGER):
 *   intend <time_ms> <json>                          before the reading is given to the spool
 *   captured <stream> <seq> <time_ms> <json>         after the spool has it
 * <time_ms> is the number that stands in the reading as "t" or "up". Each line is one write(2) at
 * the end of the file, so that a kill leaves whole lines; nothing is synced, since the account is
 * about processes that die, not machines. */
#ifndef PH_DEVICE_LEDGER_H
#define PH_DEVICE_LEDGER_H

#include <stdint.h>

#include "base/error.h"
#include "device/spool.h"

struct ph_ledger {
    const char *path; /* borrowed */
    int fd;           /* -1: no ledger is kept, and every function does nothing */
};

/* Opens or makes the file; what it holds is kept. NULL: no ledger. */
enum ph_err ph_ledger_open(
    struct ph_ledger *ledger, const char *path, struct ph_error *error) PH_NODISCARD;
void ph_ledger_close(struct ph_ledger *ledger);

/* PH_ERR_IO when the line could not be written whole: the account is wrong from then on. */
enum ph_err ph_ledger_intend(const struct ph_ledger *ledger, const struct ph_spool_entry *entry,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ledger_captured(const struct ph_ledger *ledger, uint64_t stream, int64_t seq,
    const struct ph_spool_entry *entry, struct ph_error *error) PH_NODISCARD;

#endif
