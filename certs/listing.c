#include "certs/listing.h"

#include <string.h>

#include "base/clock.h"
#include "certs/commands.h"

static const struct ph_table_column table_columns[] = {
    {.name = "serial", .title = "SERIAL", .width = 32},
    {.name = "type", .title = "TYPE", .width = 9},
    {.name = "status", .title = "STATUS", .width = 13},
    {.name = "not_after", .title = "NOT AFTER", .width = 10},
    {.name = "reason", .title = "REVOKED FOR", .width = 20},
    {.name = "holder", .title = "HOLDER"},
    {0},
};

/* Programs read the first ten by their place. */
static const struct ph_table_column file_columns[] = {
    {.name = "serial"},
    {.name = "issuer"},
    {.name = "type"},
    {.name = "holder"},
    {.name = "status"},
    {.name = "not_before"},
    {.name = "not_after"},
    {.name = "revoked"},
    {.name = "reason"},
    {.name = "fingerprint"},
    {.name = "origin"},
    {.name = "predecessor"},
    {.name = "approved_by"},
    {.name = "why"},
    {.name = "key_hash"},
    /* of a whole one, also */
    {.name = "lineage"},
    {.name = "claim"},
    {.name = "issued"},
    {.name = "confirmed"},
    {.name = "pem", .kind = PH_TABLE_LINES},
};
enum { SHORT_COLUMNS = 15 };
_Static_assert(sizeof file_columns == PH_LISTING_COLUMNS * sizeof file_columns[0], "all of them");

void ph_listing_begin(struct ph_listing *listing, enum ph_table_format format, bool whole)
{
    memset(listing->columns, 0, sizeof listing->columns);
    memcpy(listing->columns, file_columns,
        (whole ? PH_LISTING_COLUMNS : SHORT_COLUMNS) * sizeof file_columns[0]);
    listing->table = (struct ph_table){.file = stdout,
        .format = format,
        .columns = format == PH_TABLE_TEXT ? table_columns : listing->columns};
    ph_table_begin(&listing->table);
}

/* NULL for a time that is not set. */
static const char *time_text(char out[PH_UTC_BYTES], int64_t ms)
{
    if (ms == 0) {
        return NULL;
    }
    ph_utc_print(out, ms);
    return out;
}

static const char *text_or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static void print_short(struct ph_listing *listing, const struct ph_inventory_entry *entry)
{
    char holder[PH_IDENTITY_BYTES];
    char end[PH_UTC_BYTES];
    ph_ca_holder(holder, sizeof holder, entry);
    ph_utc_print(end, entry->not_after_ms);
    end[sizeof "2026-11-22" - 1] = '\0';
    const char *const cells[] = {entry->serial, entry->type, ph_ca_status(entry, listing->now_ms),
        end, ph_ca_reason(entry), holder};
    ph_table_row(&listing->table, cells);
}

void ph_listing_row(
    struct ph_listing *listing, const struct ph_inventory_entry *entry, const char *pem)
{
    if (listing->table.format == PH_TABLE_TEXT) {
        print_short(listing, entry);
        return;
    }
    char holder[PH_IDENTITY_BYTES];
    char times[5][PH_UTC_BYTES];
    ph_ca_holder(holder, sizeof holder, entry);
    const char *const cells[] = {
        entry->serial,
        entry->issuer,
        entry->type,
        holder,
        ph_ca_status(entry, listing->now_ms),
        time_text(times[0], entry->not_before_ms),
        time_text(times[1], entry->not_after_ms),
        time_text(times[2], entry->revoked_ms),
        text_or_null(ph_ca_reason(entry)),
        entry->fingerprint,
        text_or_null(entry->origin),
        text_or_null(entry->predecessor),
        text_or_null(entry->approved_by),
        text_or_null(entry->why),
        text_or_null(entry->key_hash),
        text_or_null(entry->lineage),
        text_or_null(entry->claim),
        time_text(times[3], entry->issued_ms),
        time_text(times[4], entry->confirmed_ms),
        pem,
    };
    ph_table_row(&listing->table, cells);
}

void ph_listing_end(struct ph_listing *listing)
{
    ph_table_end(&listing->table);
}
