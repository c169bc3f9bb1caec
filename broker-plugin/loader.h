/* The thread beside the broker's own: it looks at the files, loads what changed (which for a CRL of
 * 100,000 entries takes longer than a broker may stand still), frees what is no longer in force,
 * and writes files that nobody waits for. It calls nothing of the broker and logs nothing; all
 * functions here are for the broker's thread and return at once, but for start and stop. */
#ifndef PH_BROKER_PLUGIN_LOADER_H
#define PH_BROKER_PLUGIN_LOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "broker-plugin/state.h"

struct ph_loader;

/* Starts the thread, with all signals blocked. `current` is the state in force; it is borrowed
 * until a later one was taken and it was released. */
enum ph_err ph_loader_start(const char *policy_file, struct ph_state *current,
    struct ph_loader **out, struct ph_error *error) PH_NODISCARD;

/* Waits for the thread's end (a load in progress is finished, a text that waits is written) and
 * frees what nobody took. The state in force stays the caller's. */
void ph_loader_stop(struct ph_loader **loader);

/* Asks for a look at the files: what changed is loaded; with `force` all is, changed or not. Costs
 * one stat(2) per file, and nothing is finished by it, when nothing changed. While one is in
 * progress, or its load was not yet taken, the next is remembered. A bad file is tried again when
 * it changes, and after 1, 2, 4 and so on up to 60 seconds. */
void ph_loader_look(struct ph_loader *loader, bool force, int64_t now_monotonic_ms);

/* A finished load. */
struct ph_load {
    struct ph_state *state; /* the caller's; NULL when nothing new was good (report or error says
                               what is bad) */
    struct ph_state_report report;
    struct ph_error error;
    int64_t duration_ms; /* how long the thread took */
};

/* True, with *out filled, when a load has finished since the last call. */
bool ph_loader_take(struct ph_loader *loader, struct ph_load *out);

/* Hands over a state that is no longer in force, to be freed: never the one that was taken last. */
void ph_loader_release(struct ph_loader *loader, struct ph_state **state);

/* Has `text` written to `path` (temporary file and rename); the buffer is emptied. A text that was
 * not yet written is replaced. What went wrong last is told by ph_loader_store_error(). */
void ph_loader_store(struct ph_loader *loader, const char *path, struct ph_buf *text);

/* True, with the error moved to *error, when a ph_loader_store() has failed since the last call. */
bool ph_loader_store_error(struct ph_loader *loader, struct ph_error *error);

#endif
