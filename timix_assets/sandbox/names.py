"""The words of the simulated firm: people, customers, projects, tasks and what was written on time entries. All fiction."""

from collections.abc import Mapping

DEFAULT_SEED = 7
DOMAIN = "meridian-bay.example"
AUDITOR = "Odile Marchetti"


def firm_id(seed: int) -> str:
    """The id of the organization: firms of two seeds are two organizations."""
    return "org-meridian" if seed == DEFAULT_SEED else f"org-meridian-{seed}"


def firm_name(seed: int) -> str:
    """Its name."""
    return "Meridian Bay Services" if seed == DEFAULT_SEED else f"Meridian Bay Services {seed}"


FIRST_NAMES: Mapping[str, tuple[str, ...]] = {
    "US": ("Avery", "Jordan", "Camila", "Marcus", "Priya", "Dana", "Elliot", "Naomi", "Theo", "Ruth", "Omar", "Grace"),
    "GB": ("Imogen", "Rhys", "Farah", "Callum", "Beatrix", "Owen", "Saoirse", "Hamish", "Leila", "Percy"),
    "DE": ("Anneliese", "Jörg", "Friederike", "Matthias", "Käthe", "Emre", "Lena", "Torsten"),
    "IL": ("נועה", "איתי", "תמר", "יונתן", "מיכל", "Shira", "Amit", "Yael"),
}
LAST_NAMES: Mapping[str, tuple[str, ...]] = {
    "US": (
        "Calloway",
        "Ferreira",
        "Okafor",
        "Lindgren",
        "Whitcombe",
        "Sandoval",
        "Iyer",
        "Brandt",
        "Castellano",
        "Moss",
    ),
    "GB": ("Ashdown", "Pemberton-Fairweather", "Qureshi", "Llewellyn", "Stoddart", "O'Rourke", "Hale", "Birtwistle"),
    "DE": ("Schwarzenbach", "Müller-Lüdenscheidt", "Grünwald", "Yıldız", "Kessler", "Großmann", "Thalberg"),
    "IL": ("ברק", "לוי-כהן", "שקד", "אלמוג", "Harel", "Mizrahi-Stern", "Regev"),
}

CUSTOMER_NAMES: tuple[str, ...] = (
    "Alder & Finch Coffee",
    "Northgate Logistics",
    "Bright Harbor Dental",
    "Quillstone Publishing",
    "מעבדות כרמל",
    "Sable Ridge Outfitters",
    "Vantage Point Analytics",
    'The "Blue Door" Clinics',
    "Lumen Street Theatre",
    "Halcyon Water Utilities",
    "Grünwald Maschinenbau GmbH",
    "Tern Island Ferries",
    "Orchard House\n(formerly Lindqvist Foods)",
    "Copper Kettle Brewing Co.",
    "Marlow & Reyes, Attorneys at Law",
    "פרדס השקעות בע״מ",
    "Fable & Thread",
    "Winterbourne Capital Partners",
    "Kestrel Aerospace Components",
    "Municipal Pension Trust of the Greater Ashford and Eastern Marches Region, Administration and Benefits Division",
    "Peregrine Mutual Insurance",
    "Oakhollow School District",
    "Saltmarsh Renewables",
    "Nimbus Freight",
    "Juniper Lane Hotels",
    "Rheintal Versicherung AG",
    "Ironbark Mining Services",
    "Larkspur Biosciences",
    "Café Sonnenschein",
    "Tidewater Community Bank",
    "Glasswing Robotics",
    "אופק מערכות",
    "Thistle & Rook",
    "Meadowlark Housing Association",
    "Obsidian Games",
    "Parallax Optics",
    "St. Brannoc's Hospital Trust",
    "Foxglove Cosmetics",
    "Summit Trail Foundation",
    "Blackwater Shipping",
    "Ember & Ash Ceramics",
    "Cobalt Learning",
    "Harrow Field Farms",
    "Zephyr Wind Farm Operations",
    "Bellweather Retail Group",
    "Atelier Morgenrot",
    "Dunmore Castle Estates",
    "Silverleaf Pharmacies",
    "Trident Marine Insurance",
    "גליל תוכנה",
    "Rosewood Film Partners",
    "Cinder Block Construction",
    "Everly Nursery Schools",
    "Polaris Dental Supply",
    "Hanseatische Kaffeerösterei",
    "Wren & Daughters Solicitors",
    "Mosaic Travel",
    "Brookline Fire Equipment",
    "Ostrava Steel Trading",
    "Velvet Antler Records",
)

Work = tuple[tuple[str, tuple[str, ...]], ...]
"""Tasks, each with its subtasks."""

OVERHEAD_WORK: Work = (
    ("Operations", ("Team meetings", "Administration and e-mail", "Internal tools")),
    ("Growth", ("Proposals and pitches", "Recruiting interviews", "Marketing site")),
    ("Learning", ("Training", "Mentoring", "Conference")),
)


LINES_OF_BUSINESS: tuple[tuple[tuple[str, ...], Work], ...] = (
    (
        (
            "Brand refresh",
            "Website relaunch",
            "Spring campaign",
            "=2x reach: media plan",
            "Annual report",
            "Photo library",
        ),
        (
            ("Discovery", ("Kick-off workshop", "Stakeholder interviews", "Competitor review")),
            ("Design", ("Wireframes", "Visual design", "Design review", "Accessibility pass")),
            ("Build", ("Page templates", "Content entry", "Analytics and tags")),
            ("Campaign", ("Copywriting", "Ad production", "Media buying", "Weekly reporting")),
        ),
    ),
    (
        (
            "Lease negotiations",
            "Trademark filings",
            "Employment handbook",
            "Data protection audit",
            "Share purchase, closing",
        ),
        (
            ("Advice", ("Research memo", "Client calls", "Opinion letter")),
            ("Contracts", ("Drafting", "Redlines, second round", "Negotiation", "Signing and filing")),
            ("Proceedings", ("Document review", "Briefs", "Hearing preparation")),
        ),
    ),
    (
        (
            "ERP migration",
            "Data warehouse",
            "Mobile app 2.0",
            "Security assessment",
            "Cloud landing zone",
            "Support retainer",
        ),
        (
            ("Analysis", ("Requirements", "Architecture", "Data model")),
            ("Development", ("Backend", "Frontend", "Integrations", "Code review")),
            ("Quality", ("Test automation", "User acceptance", "Bug fixing")),
            ("Go-live", ("Deployment", "Training of key users", "Hypercare")),
        ),
    ),
)
"""The names of projects in each line of business, and the work in them."""

HEBREW_PROJECTS: tuple[str, ...] = ("אתר חדש", "מיתוג מחדש", "הסבת מערכת הנהלת חשבונות", "ליווי משפטי שוטף")
LONG_SUFFIX = (
    " – phase 2 of 3, including the handover to operations, documentation in two languages and a review after 90 days"
)

TEXTS: tuple[str, ...] = (
    "Worked through the open points from the last review",
    "Call with the client, notes shared",
    "First draft, sent for comments",
    "Second round after feedback",
    "Fixed the two issues found in acceptance",
    "Prepared the steering committee; slides in the shared folder",
    "Pairing on the tricky part",
    "Clean-up, small fixes; documentation",
    "תיאום מול הלקוח",
    "עדכון מסמכים לאחר הערות",
    'Reviewed, "final" version → approved',
    "Waiting for access, used the time for the test plan",
)
