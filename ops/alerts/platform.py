"""What the platform reports of itself, and of its providers."""

from ops.alerts.alert import BOTH, CRITICAL, WARNING, Alert

PLATFORM = [
    Alert(
        "dead_letters",
        WARNING,
        "Rows of a work queue are out of tries, or were refused for good.",
        "Open its list, read the errors, replay what can go well now, discard the rest with a reason.",
        "when none is left",
    ),
    Alert(
        "lane_behind",
        CRITICAL,
        "Rows have been due for more than two minutes.",
        "See whether worker and beat run (`manage.py doctor`), and whether the database is slow. Nothing is lost.",
        "when the work queue has caught up",
    ),
    Alert(
        "work_failing",
        WARNING,
        "Rows failed six times or more, or killed their workers, and are tried again.",
        "Read their errors in the list of the work queue: mend the cause before they are dead letters.",
        "when they are done or dead",
    ),
    Alert(
        "unreachable_from_outside",
        CRITICAL,
        "PUBLIC_URL/ready failed three times in a row, called by a worker.",
        "Look at DNS, certificate, proxy and web processes. Providers try again for hours, customers do not.",
        "with the first answer",
    ),
    Alert(
        "storm",
        BOTH,
        "More than five of a kind opened within ten minutes, or more than twenty of several.",
        "Look for the one cause behind them. Acknowledge or resolve it together with what is folded into it.",
        "ten minutes after the last of what it stands for is resolved",
    ),
]

PROVIDERS = [
    Alert(
        "signature_failures",
        BOTH,
        "ALERT_SIGNATURE_FAILURES webhooks of a provider with a bad signature in a window; three, where not one"
        " gets in any more. Critical: not one gets in, so that its events are being lost.",
        "Was its secret rotated? Add the new one beside the old one; providers send again what was refused. If"
        " good ones come in between, somebody else is trying: nothing is lost.",
        "when the window is clean",
    ),
    Alert(
        "webhooks_refused",
        WARNING,
        "As many webhooks were refused for another reason: unreadable, not enabled.",
        "Read the attempt log: has the provider changed its format, or is it off here (docs/configuration.md)?",
        "when the window is clean",
    ),
    Alert(
        "provider_errors",
        BOTH,
        "More than ALERT_PROVIDER_ERRORS of a provider's calls in a window found no answer, no room (429), a 5xx"
        " or our credentials refused (401, 403), or its webhooks cannot be worked off. Refusals of one"
        " customer's wish do not count. Critical: no call goes well.",
        "Look at the provider's status page and at the last error. Calls are tried again by themselves.",
        "with hardly an error in a window",
    ),
    Alert(
        "webhooks_silent",
        BOTH,
        "Five calls that always bring a webhook brought none within ALERT_SILENT_MINUTES, nor did any other.",
        "Look at the endpoint in the provider's dashboard: switched off, another address, failing deliveries?",
        "when it is heard again, or nothing is awaited",
    ),
    Alert(
        "channel_refused_us",
        CRITICAL,
        "A provider of messages answered 401 or 403.",
        "Renew the key that is named in the details. Messages take the next channel meanwhile.",
        "when that provider has taken something again",
    ),
    Alert(
        "courier_outage",
        CRITICAL,
        "A courier company gave no answer five times in a row.",
        "Nothing at once: others carry. For how long? Tell stores that depend on it; see Breakers.",
        "when it answers again",
    ),
    Alert(
        "courier_given_up",
        CRITICAL,
        "A company did not take an order in the contract's five minutes.",
        "See that the order has found another carrier, and whether the company has an outage.",
    ),
    Alert(
        "courier_job_unknown",
        WARNING,
        "A company reports a job that we never asked for.",
        "Ask the company. Is another system using our account, or our credentials?",
    ),
    Alert(
        "courier_will_not_stop",
        CRITICAL,
        "A company refuses to stop a job that we do not want any more.",
        "Decide on the delivery: keep it, or pay for two. Nobody else is sent before that.",
        "when somebody has decided, or it is over",
    ),
    Alert(
        "delivered_by_earlier_courier",
        CRITICAL,
        "A job that had been given up was delivered after all.",
        "Stop the carrier who has it now, and look at what both charge.",
    ),
]
