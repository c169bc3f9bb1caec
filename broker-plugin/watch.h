/* Files that are read again when they change, and what they looked like when they were read. */
#ifndef PH_BROKER_PLUGIN_WATCH_H
#define PH_BROKER_PLUGIN_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "base/error.h"

/* The time is that of the last change to the file or its attributes, which nobody can set back. */
struct ph_stamp {
    struct timespec changed;
    off_t size;
    ino_t inode;
    dev_t device;
    bool there;
};

struct ph_watched {
    char *path;
    struct ph_stamp stamp;
};

struct ph_watch {
    struct ph_watched *files;
    size_t count;
};

/* Releases what it holds; it is then empty. */
void ph_watch_fini(struct ph_watch *watch);

/* Adds files with their stamps of this moment, one place for each. A file that changed within the
 * last few milliseconds is waited for: a later change could otherwise bear the same time. */
enum ph_err ph_watch_add(
    struct ph_watch *watch, char *const *paths, size_t count, struct ph_error *error) PH_NODISCARD;

/* Adds the files of `other` that are not there yet, with the stamps they have in it. */
enum ph_err ph_watch_merge(
    struct ph_watch *watch, const struct ph_watch *other, struct ph_error *error) PH_NODISCARD;

/* The first file that differs from its stamp, or NULL. One stat(2) per file. */
const char *ph_watch_differing(const struct ph_watch *watch);

/* True when there is one; takes the new stamps of all. */
bool ph_watch_look(struct ph_watch *watch);

/* Makes every file differ. */
void ph_watch_forget(struct ph_watch *watch);

#endif
