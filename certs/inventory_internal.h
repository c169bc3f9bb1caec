/* Inside the inventory: what the files share that keep something in it (inventory*.c,
 * authorities.c, acts.c, claims.c and its parts). Nobody else includes this. */
#ifndef PH_CERTS_INVENTORY_INTERNAL_H
#define PH_CERTS_INVENTORY_INTERNAL_H

#include "adapters/sqlite.h"
#include "certs/inventory.h"

#define PH_REASON_LAST 10 /* RFC 5280, 5.3.1: aACompromise */

/* Statements that are needed for each of many certificates: prepared when first needed. */
enum ph_kept {
    PH_KEPT_ADD,
    PH_KEPT_REMOVE,
    PH_KEPT_FIND,
    PH_KEPT_FIND_FINGERPRINT,
    PH_KEPT_FIND_KEY,
    PH_KEPT_FIND_NEWEST,
    PH_KEPT_FIND_SUCCESSOR,
    PH_KEPT_DER,
    PH_KEPT_CONFIRM,
    PH_KEPT_SUPERSEDE_OLDER,
    PH_KEPT_SUPERSEDE,
    PH_KEPT_SETTING,
    PH_KEPT_ACT_LAST,
    PH_KEPT_ACT_ADD,
    PH_KEPT_CLAIM_FIND,
    PH_KEPT_CLAIM_USE,
    PH_KEPT_EXPECTED_FIND,
    PH_KEPT_EXPECTED_KEY,
    PH_KEPT_EXPECTED_HARDWARE,
    PH_KEPT_EXPECTED_PUT,
    PH_KEPT_EXPECTED_SET,
    PH_KEPT_ENROLMENT_FIND,
    PH_KEPT_ENROLMENT_GET,
    PH_KEPT_ENROLMENT_ADD,
    PH_KEPT_ENROLMENT_CHANGE,
    PH_KEPT_ENROLMENT_WAITING,
    PH_KEPT_DEVICE_STATE,
    PH_KEPT_BUNDLE_NEWEST,
    PH_KEPT_BUNDLE_AFTER,
    PH_KEPT_COUNT
};

struct ph_inventory {
    struct ph_db *db;
    struct ph_stmt *kept[PH_KEPT_COUNT];
};

/* The kept statement, which is the inventory's: run it to its end, or reset it. */
enum ph_err ph_inventory_kept(struct ph_inventory *inventory, enum ph_kept kept, const char *sql,
    struct ph_stmt **out, struct ph_error *error) PH_NODISCARD;

/* Brings the tables up to date (inventory_schema.c says what they hold). */
enum ph_err ph_inventory_upgrade(struct ph_db *db, struct ph_error *error) PH_NODISCARD;

/* One row, read with suspicion: the file may have been damaged or edited. Zero-initialise but for
 * `stmt`; once a column has failed, `bad` stays set, and ph_row_check() says so. */
struct ph_row {
    const struct ph_stmt *stmt;
    bool bad;
};
/* One line of clean text that fits; otherwise "". */
void ph_row_text(struct ph_row *row, int column, char *out, size_t size);
/* Lower-case hexadecimal digits that fit; may be empty. */
void ph_row_hex(struct ph_row *row, int column, char *out, size_t size);
/* A number from `min` on; otherwise `min`. */
int64_t ph_row_int64(struct ph_row *row, int column, int64_t min);
/* Index of the text in `words`; otherwise 0. */
int ph_row_word(struct ph_row *row, int column, const char *const *words, int count);
/* PH_ERR_INPUT, naming the file and the `table`. */
enum ph_err ph_row_check(const struct ph_row *row, const struct ph_inventory *inventory,
    const char *table, struct ph_error *error) PH_NODISCARD;

/* Binds text so that it can be read back: cut to `size` bytes (at most PH_WHY_BYTES), with what
 * does not belong into one line escaped. */
void ph_row_bind_text(struct ph_stmt *stmt, int index, const char *text, size_t size);

/* Whether there is nothing but lower-case hexadecimal digits. */
bool ph_row_is_hex(const char *text);

/* Steps `stmt` to its end with its parameters bound, and calls `read` with each row until it fails;
 * the statement is then reset. */
typedef enum ph_err ph_row_read(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    void *context, struct ph_error *error);
enum ph_err ph_inventory_rows(struct ph_inventory *inventory, struct ph_stmt *stmt,
    ph_row_read *read, void *context, struct ph_error *error) PH_NODISCARD;

/* Steps a statement that yields one number; 0 when it yields no row. */
enum ph_err ph_inventory_number(
    struct ph_stmt *stmt, int64_t *out, struct ph_error *error) PH_NODISCARD;

/* Settings. PH_ERR_NOT_FOUND for an unknown key; `size` bounds a text (PH_ERR_INPUT beyond it). */
enum ph_err ph_setting_text(struct ph_inventory *inventory, const char *key, char *out, size_t size,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_setting_int64(struct ph_inventory *inventory, const char *key, int64_t *out,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_setting_put_text(struct ph_inventory *inventory, const char *key, const char *value,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_setting_put_int64(struct ph_inventory *inventory, const char *key, int64_t value,
    struct ph_error *error) PH_NODISCARD;

#endif
