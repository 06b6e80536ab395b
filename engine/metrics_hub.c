/* metrics_hub.c - the metrics of browsers: how many there are, and how far back they may resume. */
#include "metrics.h"

static void put(struct buf *out, int which, double value)
{
    const struct metric_other *o = &metrics_others[which];
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", o->name, o->help, o->name, o->type, o->name,
               value);
}

void metrics_hub(struct hub *hub, struct buf *out)
{
    struct hub_stats s;
    if (!hub)
        return;
    hub_stats(hub, &s);
    put(out, OTHER_SESSIONS, (double)s.sessions);
    put(out, OTHER_SUBSCRIPTIONS, (double)s.subscriptions);
    put(out, OTHER_RESETS, (double)s.resets);
    put(out, OTHER_WINDOW_BYTES, (double)s.window_bytes);
    put(out, OTHER_WINDOW_AGE, (double)s.window_age_ms / 1e3);
    put(out, OTHER_SPOOL_BYTES, (double)s.spool_bytes);
}
