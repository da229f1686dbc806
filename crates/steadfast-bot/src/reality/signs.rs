//! The good signs: what each adds, and the words by which it is known. Data; `detect` applies it.

/// A good sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sign {
    /// A careers page or the employer's own site to apply through.
    CareersPage,
    /// A mailbox in a domain of its own.
    CompanyEmail,
    /// A licence or certificate.
    Licence,
    /// A degree or training.
    Degree,
    /// Years of experience.
    Experience,
    /// A plausible pay range.
    PayRange,
    /// Benefits.
    Benefits,
    /// An employer by name or kind.
    Employer,
    /// The employer's age or size.
    Established,
    /// A workplace.
    Address,
    /// Duties.
    Duties,
    /// A proper procedure: interview, references, contract.
    Procedure,
    /// Hours or shifts.
    Hours,
}

impl Sign {
    /// Points it adds.
    pub(super) const fn worth(self) -> i32 {
        match self {
            Self::Licence => 14,
            Self::CareersPage => 12,
            Self::CompanyEmail | Self::PayRange => 10,
            Self::Benefits => 9,
            Self::Degree | Self::Established => 8,
            Self::Experience | Self::Address => 7,
            Self::Employer => 6,
            Self::Duties => 5,
            Self::Procedure | Self::Hours => 4,
        }
    }

    /// What to say of it; the words it was known by follow in quotes.
    pub(super) const fn says(self) -> &'static str {
        match self {
            Self::CareersPage => "You apply through the employer's own page",
            Self::CompanyEmail => "It is reached at an address of its own",
            Self::Licence => "It asks for a licence or certificate that can be checked",
            Self::Degree => "It asks for training that fits the work",
            Self::Experience => "It asks for experience",
            Self::PayRange => "It states its pay, and the range is plausible",
            Self::Benefits => "It offers the benefits of regular employment",
            Self::Employer => "It says who the employer is",
            Self::Established => "It tells of the employer's age or size",
            Self::Address => "It names a workplace",
            Self::Duties => "It says what the work is",
            Self::Procedure => "It describes a proper procedure",
            Self::Hours => "It states the hours",
        }
    }

    /// What to say where it is missing, as a reason for doubt.
    pub(super) const fn missing(self) -> Option<&'static str> {
        Some(match self {
            Self::CareersPage => "I found no careers page and no company address to apply through.",
            Self::Employer => "I found no employer's name in it that could be looked up.",
            Self::Degree => "I found no experience, training or licence that it asks for.",
            Self::PayRange => "I found no plausible pay range in it.",
            Self::Address => "I found no workplace or office address in it.",
            Self::Duties => "I found no description of the duties in it.",
            Self::Benefits => "I found no word about benefits or a contract in it.",
            _ => return None,
        })
    }
}

/// The words of a sign.
pub(super) const PATTERNS: &[(Sign, &str)] = &[
    (Sign::CareersPage, include_str!("words/careers_page.txt")),
    (Sign::CompanyEmail, "company|corporate|official domain|email|mail\ncorreo corporativo|institucional"),
    (Sign::Licence, include_str!("words/licence.txt")),
    (Sign::Degree, include_str!("words/degree.txt")),
    (Sign::Experience, include_str!("words/experience.txt")),
    (Sign::Benefits, include_str!("words/benefits.txt")),
    (Sign::Employer, include_str!("words/employer.txt")),
    (Sign::Established, include_str!("words/established.txt")),
    (Sign::Address, include_str!("words/address.txt")),
    (Sign::Duties, include_str!("words/duties.txt")),
    (Sign::Procedure, include_str!("words/procedure.txt")),
    (Sign::Hours, include_str!("words/hours.txt")),
];
