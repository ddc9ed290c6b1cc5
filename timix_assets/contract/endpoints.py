"""Every resource and report of the Timix Integration API, declared once.

Schemas, descriptions, checks, lineage and the sandbox come from this file. `documented` names the vendor's page; where
it is empty, the path or the meaning is our assumption, and an override can change it (see `overrides.py`).
All field *names* are assumptions: the vendor publishes none.
"""

from .schema import Column, Endpoint, Shape, Type, Window

WORKING_WITH_THE_API = "working-with-the-api"
HIERARCHY = "understanding-the-hierarchy"
BUDGETS = "budgets-and-alerts"
BILLING_TYPES_PAGE = "project-structure-and-billing-types"
SCHEDULES = "work-schedules-and-holidays"
APPROVAL = "approval-workflow"
CLOSING = "closing-the-month-billing"
LOGGING = "logging-time"

BILLING_TYPES = ("TM", "Fix", "OVH")
PROJECT_STATUSES = ("Active", "OnHold", "Completed", "Cancelled")
WORK_STATUSES = ("Active", "Inactive", "Completed")
ACTIVE_STATUSES = ("Active", "Inactive")
ENTRY_STATUSES = ("Draft", "Submitted", "Approved", "Invoiced", "Rejected")
INVOICE_STATUSES = ("Draft", "Issued", "Sent", "Paid", "Void")
BUDGET_STATUSES = ("on-track", "warning", "critical")
BILLING_TYPE_SPELLINGS = {
    "TM": ("TandM", "TimeAndMaterial", "TimeAndMaterials", "TimeMaterials", "Hourly"),
    "Fix": ("Fixed", "FixedPrice", "FixedFee"),
    "OVH": ("Overhead", "NonBillable", "Internal"),
}
PROJECT_SPELLINGS = {
    "OnHold": ("Paused",),
    "Completed": ("Complete", "Done", "Closed", "Finished"),
    "Cancelled": ("Canceled",),
}
ACTIVE_SPELLINGS = {"Active": ("Enabled", "true"), "Inactive": ("Archived", "Disabled", "Deactivated", "false")}
WORK_SPELLINGS = {**ACTIVE_SPELLINGS, "Completed": ("Complete", "Done", "Closed")}
ENTRY_SPELLINGS = {"Submitted": ("Pending", "PendingApproval"), "Invoiced": ("Billed",), "Rejected": ("Declined",)}
INVOICE_SPELLINGS = {
    "Issued": ("Finalized",),
    "Sent": ("Viewed", "Overdue", "PartiallyPaid"),
    "Void": ("Voided", "Cancelled", "Canceled"),
}
BUDGET_SPELLINGS = {"on-track": ("OK",), "warning": ("AtRisk",), "critical": ("OverBudget",)}
"""Value -> other words that workspaces use for it, in any case and with any separators (assumed)."""

ROLES = ("Owner", "Admin", "Finance", "Manager", "Member", "Viewer")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

ID, TEXT, ENUM, TIME = Type.ID, Type.TEXT, Type.ENUM, Type.TIME
HOURS, MONEY, RATE, PERCENT = Type.HOURS, Type.MONEY, Type.RATE, Type.PERCENT
INTEGER, FLAG, DAY, INSTANT, OBJECT = Type.INTEGER, Type.FLAG, Type.DAY, Type.INSTANT, Type.OBJECT

DATES = {"startDate": "startDate", "endDate": "endDate"}


def _currency(of: str) -> Column:
    return Column("currency", TEXT, f"ISO 4217 currency of {of}.")


def _stamps(what: str, *, updated: bool = True) -> tuple[Column, ...]:
    created = Column("created_at", INSTANT, f"When {what} was created.")
    return (created, Column("updated_at", INSTANT, f"When {what} was last changed.")) if updated else (created,)


def _caps(what: str) -> tuple[Column, ...]:
    return tuple(
        Column(
            f"{kind.lower()}_hour_limit",
            HOURS,
            f"Cap on the {kind} hours of {what}; 0 or null means unlimited.",
            documented=BUDGETS,
        )
        for kind in BILLING_TYPES
    )


ME = Endpoint(
    "me",
    "/me",
    Shape.OBJECT,
    "workspace",
    "Who the API key is: its owner, role, organization and plan. The plan sets the rate limit, the role what may be seen.",
    (
        Column("user_id", ID, "The key's owner.", required=True, personal=True),
        Column("email", TEXT, "E-mail address of the key's owner.", personal=True),
        Column("name", TEXT, "Full name of the key's owner.", aliases=("fullName", "displayName"), personal=True),
        Column(
            "role",
            ENUM,
            "Role of the key's owner; Members and Viewers never see cost.",
            values=ROLES,
            documented=WORKING_WITH_THE_API,
        ),
        Column("organization_id", ID, "The organization that the key is bound to."),
        Column("organization_name", TEXT, "Name of that organization."),
        Column(
            "plan",
            TEXT,
            "The organization's plan; it sets how many requests a minute are allowed.",
            documented=WORKING_WITH_THE_API,
        ),
        Column("permissions", TEXT, "What the key may do.", is_list=True),
        Column("key_name", TEXT, "The key's own name."),
        Column(
            "key_expires_at", INSTANT, "When the key stops working; null when it never does.", aliases=("expiresAt",)
        ),
    ),
    key=("user_id",),
    documented=WORKING_WITH_THE_API,
)

ORGANIZATION = Endpoint(
    "organization",
    "/organization",
    Shape.OBJECT,
    "workspace",
    "The organization: its currency, time zone, first day of the week and budget thresholds.",
    (
        Column("id", ID, "The organization's id.", required=True),
        Column("name", TEXT, "The organization's name."),
        Column("plan", TEXT, "The organization's plan.", documented=WORKING_WITH_THE_API),
        Column("currency", TEXT, "ISO 4217 currency that the organization reports in."),
        Column("time_zone", TEXT, "IANA name of the organization's time zone.", aliases=("timezone",)),
        Column("country_code", TEXT, "ISO 3166 code of the organization's country.", aliases=("country",)),
        Column(
            "first_day_of_week", INTEGER, "0 = Sunday … 6 = Saturday; 1, Monday, when absent.", documented=SCHEDULES
        ),
        Column(
            "budget_warning_threshold",
            PERCENT,
            "Share of a cap from which a budget is at risk (80 means 80 %; up to 2 it is read as a ratio).",
            aliases=("warningThresholdPercent",),
            documented=BUDGETS,
        ),
        Column(
            "budget_critical_threshold",
            PERCENT,
            "Share of a cap from which a budget is over (100 means 100 %; up to 2 it is read as a ratio).",
            aliases=("criticalThresholdPercent",),
            documented=BUDGETS,
        ),
        *_stamps("the organization", updated=False),
    ),
    documented=WORKING_WITH_THE_API,
)

CUSTOMERS = Endpoint(
    "customers",
    "/customers",
    Shape.LIST,
    "structure",
    "The customers that work is done for; Timix's screens call them clients.",
    (
        Column("id", ID, "The customer's id.", required=True),
        Column("name", TEXT, "The customer's name."),
        Column(
            "status",
            ENUM,
            "Whether the customer is active.",
            aliases=("isActive",),
            values=ACTIVE_STATUSES,
            spellings=ACTIVE_SPELLINGS,
        ),
        Column("country_code", TEXT, "ISO 3166 code of the customer's country.", aliases=("country",)),
        _currency("the customer"),
        Column("contact_name", TEXT, "Contact person; may be redacted for the key.", personal=True),
        Column(
            "contact_email",
            TEXT,
            "Contact's e-mail address; may be redacted for the key.",
            aliases=("email",),
            personal=True,
        ),
        *_stamps("the customer"),
    ),
    documented=WORKING_WITH_THE_API,
    writable=True,
    changes_during_day=True,
)

PROJECTS = Endpoint(
    "projects",
    "/projects",
    Shape.LIST,
    "structure",
    "The projects of each customer, with their caps on hours and money.",
    (
        Column("id", ID, "The project's id.", required=True),
        Column("customer_id", ID, "The customer that the project is for."),
        Column("name", TEXT, "The project's name."),
        Column("description", TEXT, "What the project is about."),
        Column(
            "status",
            ENUM,
            "Status of the project.",
            values=PROJECT_STATUSES,
            spellings=PROJECT_SPELLINGS,
            documented=HIERARCHY,
        ),
        Column(
            "billing_types",
            ENUM,
            "The billing types that the project allows: TM, Fix, OVH.",
            aliases=("billingType",),
            values=BILLING_TYPES,
            spellings=BILLING_TYPE_SPELLINGS,
            is_list=True,
            documented=BILLING_TYPES_PAGE,
        ),
        *_caps("the project"),
        Column(
            "amount_limit",
            MONEY,
            "Cap on the value of TM work; 0 or null means unlimited.",
            aliases=("budgetAmount",),
            documented=BUDGETS,
        ),
        Column(
            "contract_amount",
            MONEY,
            "Agreed price of the fixed-price work, tracked against the cost of its hours.",
            aliases=("fixedPriceAmount",),
            documented=BILLING_TYPES_PAGE,
        ),
        _currency("the project's money"),
        Column("start_date", DAY, "First day of the project."),
        Column("end_date", DAY, "Planned last day of the project."),
        *_stamps("the project"),
    ),
    documented=WORKING_WITH_THE_API,
    writable=True,
    changes_during_day=True,
)

TASKS = Endpoint(
    "tasks",
    "/tasks",
    Shape.LIST,
    "structure",
    "The tasks of each project, with caps of their own.",
    (
        Column("id", ID, "The task's id.", required=True),
        Column("project_id", ID, "The project that the task belongs to."),
        Column("name", TEXT, "The task's name."),
        Column("description", TEXT, "What the task is about."),
        Column(
            "status", ENUM, "Status of the task.", values=WORK_STATUSES, spellings=WORK_SPELLINGS, documented=HIERARCHY
        ),
        *_caps("the task"),
        *_stamps("the task"),
    ),
    documented=WORKING_WITH_THE_API,
    writable=True,
    changes_during_day=True,
)

SUBTASKS = Endpoint(
    "subtasks",
    "/subtasks",
    Shape.LIST,
    "structure",
    "The subtasks that hours are logged on; Timix's screens call them activities. Each carries one billing type.",
    (
        Column("id", ID, "The subtask's id.", required=True),
        Column("task_id", ID, "The task that the subtask belongs to."),
        Column("name", TEXT, "The subtask's name."),
        Column("description", TEXT, "What the subtask is about."),
        Column(
            "status",
            ENUM,
            "Status of the subtask.",
            values=WORK_STATUSES,
            spellings=WORK_SPELLINGS,
            documented=HIERARCHY,
        ),
        Column(
            "billing_type",
            ENUM,
            "TM (time and materials), Fix (fixed price) or OVH (overhead, never invoiced).",
            values=BILLING_TYPES,
            spellings=BILLING_TYPE_SPELLINGS,
            documented=BILLING_TYPES_PAGE,
        ),
        Column("hour_limit", HOURS, "Cap on the subtask's hours; 0 or null means unlimited.", documented=BUDGETS),
        *_stamps("the subtask"),
    ),
    documented=WORKING_WITH_THE_API,
    writable=True,
    changes_during_day=True,
)

ORG_USERS = Endpoint(
    "org_users",
    "/org-users",
    Shape.LIST,
    "workspace",
    "The people of the organization: role, working hours, holiday profile, cost rate and employment dates.",
    (
        Column("id", ID, "The user's id.", aliases=("userId",), required=True, personal=True),
        Column("email", TEXT, "E-mail address; may be redacted for the key.", personal=True),
        Column("name", TEXT, "Full name.", aliases=("fullName", "displayName"), personal=True),
        Column("role", ENUM, "Role in the organization.", values=ROLES, documented=WORKING_WITH_THE_API),
        Column(
            "status",
            ENUM,
            "Whether the user is active.",
            aliases=("isActive",),
            values=ACTIVE_STATUSES,
            spellings=ACTIVE_SPELLINGS,
        ),
        Column("country_code", TEXT, "ISO 3166 code of the user's country.", aliases=("country",)),
        Column("weekly_hours", HOURS, "Contracted hours a week.", aliases=("weeklyCapacityHours",), personal=True),
        Column(
            "work_schedule",
            OBJECT,
            "Working hours of each weekday; null on days off.",
            documented=SCHEDULES,
            fields=tuple(
                Column(
                    day,
                    OBJECT,
                    f"Working hours on {day.capitalize()}; null when it is a day off.",
                    fields=(
                        Column("start", TIME, "Start of the working day."),
                        Column("end", TIME, "End of the working day."),
                    ),
                )
                for day in WEEKDAYS
            ),
            personal=True,
        ),
        Column("holiday_profile_id", ID, "The holiday profile that applies to the user."),
        Column(
            "cost_rate",
            RATE,
            "What an hour of the user costs; hidden from keys whose role may not see cost.",
            personal=True,
        ),
        Column("cost_rate_currency", TEXT, "ISO 4217 currency of the cost rate."),
        Column("start_date", DAY, "First day of employment.", aliases=("hireDate",), personal=True),
        Column(
            "end_date", DAY, "Last day of employment; null while employed.", aliases=("terminationDate",), personal=True
        ),
        Column("manager_id", ID, "The user that this user reports to.", aliases=("reportsTo",), personal=True),
    ),
    documented=WORKING_WITH_THE_API,
)

HOLIDAY_PROFILES = Endpoint(
    "holiday_profiles",
    "/holiday-profiles",
    Shape.LIST,
    "workspace",
    "Holiday calendars: one country and one year each. Holidays lower capacity.",
    (
        Column("id", ID, "The profile's id.", required=True),
        Column("name", TEXT, "The profile's name."),
        Column(
            "country_code", TEXT, "ISO 3166 code of the profile's country.", aliases=("country",), documented=SCHEDULES
        ),
        Column("year", INTEGER, "The calendar year that the profile covers.", documented=SCHEDULES),
        Column("is_active", FLAG, "Whether the profile is in use."),
        Column(
            "default_for_countries",
            TEXT,
            "Countries whose people get this profile without naming it.",
            is_list=True,
            documented=SCHEDULES,
        ),
        Column(
            "holidays",
            OBJECT,
            "The holidays of the year.",
            is_list=True,
            documented=SCHEDULES,
            fields=(
                Column("date", DAY, "The holiday's date."),
                Column("name", TEXT, "The holiday's name."),
                Column("full_day_off", FLAG, "True when the whole day is off."),
                Column("window_start", TIME, "Start of the time off on a part-day holiday."),
                Column("window_end", TIME, "End of the time off on a part-day holiday."),
            ),
        ),
    ),
    documented=WORKING_WITH_THE_API,
)

TIME_REPORTS = Endpoint(
    "time_reports",
    "/time-reports",
    Shape.LIST,
    "time",
    "Every time entry, one row each: who worked how long, on what, on which day, at which rates, and how far it is approved. "
    "Entries change after the fact, so trailing months are read again.",
    (
        Column("id", ID, "The entry's id.", required=True),
        Column("user_id", ID, "Who did the work.", required=True, personal=True),
        Column("subtask_id", ID, "The subtask that the hours are logged on.", required=True, documented=HIERARCHY),
        Column("task_id", ID, "The subtask's task; may be absent."),
        Column("project_id", ID, "The task's project; may be absent."),
        Column("customer_id", ID, "The project's customer; may be absent."),
        Column("date", DAY, "The day of the work, as sent by the API.", required=True, documented=LOGGING),
        Column("start_time", TIME, "When the work began.", documented=LOGGING, personal=True),
        Column(
            "hours", HOURS, "How long the work took, more than 0 and at most 24.", required=True, documented=LOGGING
        ),
        Column("text", TEXT, "What was done.", aliases=("description",), documented=LOGGING, personal=True),
        Column(
            "billing_type",
            ENUM,
            "TM, Fix or OVH: the subtask's.",
            values=BILLING_TYPES,
            spellings=BILLING_TYPE_SPELLINGS,
            documented=BILLING_TYPES_PAGE,
        ),
        Column(
            "status",
            ENUM,
            "Draft, Submitted, Approved, Invoiced, or Rejected (which its owner may edit again).",
            values=ENTRY_STATUSES,
            spellings=ENTRY_SPELLINGS,
            documented=APPROVAL,
        ),
        Column(
            "customer_rate",
            RATE,
            "What the customer pays for an hour.",
            aliases=("hourlyRate", "billRate"),
            documented=BILLING_TYPES_PAGE,
        ),
        Column(
            "cost_rate",
            RATE,
            "What the hour costs; hidden from keys whose role may not see cost.",
            documented=BILLING_TYPES_PAGE,
            personal=True,
        ),
        Column(
            "cost_rate_currency",
            TEXT,
            "ISO 4217 currency of the cost rate where it is not the entry's; without one, the user's counts.",
            aliases=("costCurrency",),
        ),
        _currency("the entry's rates"),
        Column("invoice_id", ID, "The invoice that bills the entry; null while unbilled."),
        *_stamps("the entry"),
    ),
    fallback_paths=("/time-entries", "/time"),
    window=Window.RANGE,
    date_column="date",
    parameters=DATES,
    writable=True,
    changes_during_day=True,
    implies=("revenue_report", "customer_billing_report"),
)

INVOICES = Endpoint(
    "invoices",
    "/invoices",
    Shape.LIST,
    "billing",
    "Every invoice with its state, dates and totals. Issuing one marks its hours Invoiced; voiding returns them to Approved.",
    (
        Column("id", ID, "The invoice's id.", required=True),
        Column("number", TEXT, "The gapless invoice number, given when the invoice is issued.", documented=CLOSING),
        Column("customer_id", ID, "The customer that is billed."),
        Column("project_id", ID, "The project that is billed, of an invoice for one project."),
        Column(
            "status",
            ENUM,
            "Draft, Issued, Sent, Paid or Void.",
            values=INVOICE_STATUSES,
            spellings=INVOICE_SPELLINGS,
            documented=CLOSING,
        ),
        Column("issue_date", DAY, "The day of issue; null on a draft."),
        Column("due_date", DAY, "The day by which it is to be paid."),
        Column("paid_date", DAY, "The day of payment; null while unpaid."),
        Column("period_start", DAY, "First day of the work that is billed."),
        Column("period_end", DAY, "Last day of the work that is billed."),
        _currency("the invoice"),
        Column("subtotal", MONEY, "Total before tax."),
        Column("tax_amount", MONEY, "Tax.", aliases=("tax",)),
        Column("total", MONEY, "Total with tax."),
        Column("amount_paid", MONEY, "What has been paid of the total so far.", aliases=("paidAmount",)),
        Column(
            "lines",
            OBJECT,
            "The invoice's lines.",
            is_list=True,
            fields=(
                Column("description", TEXT, "What the line bills."),
                Column("project_id", ID, "The project that the line bills."),
                Column("hours", HOURS, "Hours billed.", aliases=("quantity",)),
                Column("rate", RATE, "Price of an hour.", aliases=("unitPrice",)),
                Column("amount", MONEY, "The line's amount.", aliases=("total",)),
            ),
        ),
    ),
    documented=WORKING_WITH_THE_API,
    changes_during_day=True,
    implies=("customer_billing_report",),
)

REVENUE_REPORT = Endpoint(
    "revenue_report",
    "/financial-reports/revenue",
    Shape.REPORT,
    "reports",
    "Timix's own revenue report, one row per month, project and currency. Our figures are reconciled against it.",
    (
        Column("customer_id", ID, "The customer."),
        Column("customer_name", TEXT, "The customer's name."),
        Column("project_id", ID, "The project.", required=True),
        Column("project_name", TEXT, "The project's name."),
        Column("currency", TEXT, "ISO 4217 currency of the row's money.", required=True),
        Column("hours", HOURS, "Hours logged in the month."),
        Column("billable_hours", HOURS, "Billable hours logged in the month."),
        Column("revenue", MONEY, "Revenue of the month."),
        Column("cost", MONEY, "Cost of the month; hidden from keys whose role may not see cost."),
        Column("profit", MONEY, "Revenue less cost."),
        Column("margin_percent", PERCENT, "Profit as a percentage of revenue."),
    ),
    key=("month", "project_id", "currency"),
    documented=WORKING_WITH_THE_API,
    window=Window.MONTH,
    parameters=DATES,
    csv_path="/financial-reports/revenue/export/csv",
    changes_during_day=True,
)

BUDGET_HEALTH_REPORT = Endpoint(
    "budget_health_report",
    "/financial-reports/budget-health",
    Shape.REPORT,
    "reports",
    "Timix's own status of each project's budget. Our budget health is reconciled against it.",
    (
        Column("project_id", ID, "The project.", required=True),
        Column("project_name", TEXT, "The project's name."),
        Column("customer_id", ID, "The customer."),
        Column(
            "status",
            ENUM,
            "on-track, warning or critical.",
            values=BUDGET_STATUSES,
            spellings=BUDGET_SPELLINGS,
            documented=BUDGETS,
        ),
        Column("budget_hours", HOURS, "The project's hour cap."),
        Column("consumed_hours", HOURS, "Hours used."),
        Column("remaining_hours", HOURS, "Hours left."),
        Column("budget_amount", MONEY, "The project's money cap."),
        Column("consumed_amount", MONEY, "Money used."),
        Column("percent_used", PERCENT, "Share of the budget that is used."),
        _currency("the row's money"),
    ),
    key=("project_id",),
    documented=WORKING_WITH_THE_API,
    csv_path="/financial-reports/budget-health/export/csv",
    changes_during_day=True,
    implies=("time_reports", "projects"),
)

UNBILLED_TIME_REPORT = Endpoint(
    "unbilled_time_report",
    "/financial-reports/unbilled-time",
    Shape.REPORT,
    "reports",
    "Timix's own total of approved time that no invoice bills yet, per currency, with its ages.",
    (
        Column("total_hours", HOURS, "Unbilled hours."),
        Column("total_amount", MONEY, "Unbilled money."),
        Column("entry_count", INTEGER, "Number of unbilled entries."),
        Column("currency", TEXT, "ISO 4217 currency of the row's money.", required=True),
        Column(
            "aging",
            OBJECT,
            "The total by age.",
            is_list=True,
            fields=(
                Column("bucket", TEXT, "Age in days, as Timix labels it."),
                Column("hours", HOURS, "Unbilled hours of that age."),
                Column("amount", MONEY, "Unbilled money of that age."),
                Column("entry_count", INTEGER, "Number of entries of that age."),
            ),
        ),
    ),
    key=("currency",),
    documented=WORKING_WITH_THE_API,
    changes_during_day=True,
    implies=("time_reports", "invoices"),
    volatile_columns=("aging",),
)

CUSTOMER_BILLING_REPORT = Endpoint(
    "customer_billing_report",
    "/financial-reports/customer-billing",
    Shape.REPORT,
    "reports",
    "Timix's own billing report, one row per month, customer and currency: billed, unbilled, paid and outstanding.",
    (
        Column("customer_id", ID, "The customer.", required=True),
        Column("customer_name", TEXT, "The customer's name."),
        Column("currency", TEXT, "ISO 4217 currency of the row's money.", required=True),
        Column("billed_hours", HOURS, "Hours of the month that are billed."),
        Column("billed_amount", MONEY, "Money of the month that is billed."),
        Column("unbilled_hours", HOURS, "Hours of the month that are not billed yet."),
        Column("unbilled_amount", MONEY, "Money of the month that is not billed yet."),
        Column("invoice_count", INTEGER, "Number of invoices."),
        Column("paid_amount", MONEY, "Money received."),
        Column("outstanding_amount", MONEY, "Money billed and not received yet."),
    ),
    key=("month", "customer_id", "currency"),
    documented=WORKING_WITH_THE_API,
    window=Window.MONTH,
    parameters={**DATES, "customerId": "customerId"},
    per_customer_on_422=True,
    csv_path="/financial-reports/customer-billing/export/csv",
    changes_during_day=True,
)

ENDPOINTS: tuple[Endpoint, ...] = (
    ME,
    ORGANIZATION,
    ORG_USERS,
    HOLIDAY_PROFILES,
    CUSTOMERS,
    PROJECTS,
    TASKS,
    SUBTASKS,
    TIME_REPORTS,
    INVOICES,
    REVENUE_REPORT,
    BUDGET_HEALTH_REPORT,
    UNBILLED_TIME_REPORT,
    CUSTOMER_BILLING_REPORT,
)

BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}
