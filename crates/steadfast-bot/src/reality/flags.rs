//! The red flags: what each is worth, and the words by which it is known. Data; `detect` applies it.

/// A red flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flag {
    /// Money to be paid before work begins.
    Fee,
    /// The same, of 100 dollars or more.
    LargeFee,
    /// A fee that is promised back.
    RefundableFee,
    /// Payment by gift card.
    GiftCardPayment,
    /// Payment in crypto currency.
    CryptoPayment,
    /// Payment by wire or a money transfer service.
    WirePayment,
    /// Payment to a wallet.
    WalletPayment,
    /// Account, card or social security numbers.
    BankDetails,
    /// One-time codes, passwords.
    SecretCodes,
    /// Copies of identity papers.
    IdCopy,
    /// Buying gift cards as a task.
    GiftCardTask,
    /// Moving money for others.
    MoneyTransfer,
    /// Forwarding parcels.
    Reshipping,
    /// A cheque to be cashed.
    FakeCheque,
    /// Text that talks to the checker.
    Instructions,
    /// Characters that hide text.
    HiddenText,
    /// A brand's name with a mailbox that anybody can have.
    BrandFreeMail,
    /// Reached by chat alone.
    ChatOnly,
    /// Pay far above the role.
    UnrealisticPay,
    /// Guaranteed income.
    GuaranteedIncome,
    /// High pay for no experience.
    NoExperienceHighPay,
    /// Clicking, liking, copying for money.
    ClickTasks,
    /// Mystery shopping.
    MysteryShopper,
    /// Chosen without having applied.
    SelectedUnasked,
    /// Hired without an interview.
    NoInterview,
    /// Income from recruiting others.
    Pyramid,
    /// A visa or a job abroad guaranteed.
    VisaGuaranteed,
    /// It protests that it is genuine.
    Protests,
    /// Hardly anything said.
    Vague,
    /// A mailbox that anybody can have.
    FreeMail,
    /// Hurry.
    Urgency,
}

/// How much a flag says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Seen in honest ads too.
    Mild,
    /// Rare in honest ads.
    Strong,
    /// No honest employer does so.
    Grave,
    /// Alone enough: it takes the reader's money or identity.
    Scam,
}

impl Severity {
    /// No ad with such a flag scores higher.
    pub(super) const fn cap(self) -> i32 {
        match self {
            Self::Mild => 95,
            Self::Strong => 55,
            Self::Grave => 45,
            Self::Scam => 20,
        }
    }

    /// What such a flag takes off beside a graver one.
    pub(super) const fn push(self) -> i32 {
        match self {
            Self::Mild => 2,
            Self::Strong => 3,
            Self::Grave => 5,
            Self::Scam => 8,
        }
    }
}

impl Flag {
    /// How much it says.
    pub const fn severity(self) -> Severity {
        match self {
            Self::LargeFee
            | Self::GiftCardPayment
            | Self::CryptoPayment
            | Self::BankDetails
            | Self::SecretCodes
            | Self::FakeCheque => Severity::Scam,
            Self::Fee
            | Self::RefundableFee
            | Self::WirePayment
            | Self::WalletPayment
            | Self::IdCopy
            | Self::GiftCardTask
            | Self::MoneyTransfer
            | Self::Reshipping
            | Self::Instructions
            | Self::HiddenText
            | Self::BrandFreeMail => Severity::Grave,
            Self::ChatOnly
            | Self::UnrealisticPay
            | Self::GuaranteedIncome
            | Self::NoExperienceHighPay
            | Self::ClickTasks
            | Self::MysteryShopper
            | Self::SelectedUnasked
            | Self::NoInterview
            | Self::Pyramid
            | Self::VisaGuaranteed
            | Self::Protests
            | Self::Vague => Severity::Strong,
            Self::FreeMail | Self::Urgency => Severity::Mild,
        }
    }

    /// With a fee, these leave no doubt.
    pub(super) const fn makes_a_fee_a_scam(self) -> bool {
        matches!(
            self,
            Self::RefundableFee
                | Self::WirePayment
                | Self::WalletPayment
                | Self::IdCopy
                | Self::BrandFreeMail
                | Self::GuaranteedIncome
                | Self::SelectedUnasked
                | Self::NoInterview
                | Self::VisaGuaranteed
                | Self::Protests
        )
    }

    /// What to say of it; the words it was known by follow in quotes.
    pub(super) const fn says(self) -> &'static str {
        match self {
            Self::Fee | Self::LargeFee => "It asks you to pay before you work",
            Self::RefundableFee => "A payment first, promised back later, is an old trick",
            Self::GiftCardPayment => "No employer takes gift cards as payment",
            Self::CryptoPayment => "It wants money in crypto currency, which nobody can get back",
            Self::WirePayment => "It wants money by a way that cannot be taken back",
            Self::WalletPayment => "It wants money sent to a private wallet",
            Self::BankDetails => "It asks for bank, card or social security numbers",
            Self::SecretCodes => "It asks for codes or passwords that nobody else may know",
            Self::IdCopy => "It asks for copies of identity papers up front",
            Self::GiftCardTask => "Buying gift cards is a scam's task, not a job's",
            Self::MoneyTransfer => "Moving money for others is how money is laundered",
            Self::Reshipping => "Forwarding parcels from home is how stolen goods travel",
            Self::FakeCheque => "Cashing a cheque for somebody ends with a bounced cheque",
            Self::Instructions => "It talks to the checker instead of to applicants",
            Self::HiddenText => "It hides characters inside its words",
            Self::BrandFreeMail => "It uses a known company's name, but a mailbox that anybody can open",
            Self::ChatOnly => "It can be reached by chat only",
            Self::UnrealisticPay => "The pay is far above what such work brings",
            Self::GuaranteedIncome => "Nobody can guarantee an income",
            Self::NoExperienceHighPay => "High pay for no experience",
            Self::ClickTasks => "Clicking, liking or copying is bait, not work",
            Self::MysteryShopper => "Mystery shopping is a common cover for fraud",
            Self::SelectedUnasked => "You are chosen before anybody knows you",
            Self::NoInterview => "Nobody hires without an interview",
            Self::Pyramid => "The income comes from recruiting others",
            Self::VisaGuaranteed => "Nobody can guarantee a visa",
            Self::Protests => "Honest ads need not say that they are honest",
            Self::Vague => "It says hardly anything about the work or the employer",
            Self::FreeMail => "The mailbox is one that anybody can open",
            Self::Urgency => "It presses you to hurry",
        }
    }
}

/// The words of a flag. A match that is denied ("no registration fee") does not count.
pub(super) const PATTERNS: &[(Flag, &str)] = &[
    (Flag::Fee, include_str!("words/fee_asked.txt")),
    (Flag::RefundableFee, include_str!("words/fee_refundable.txt")),
    (Flag::GiftCardPayment, include_str!("words/gift_card_payment.txt")),
    (Flag::CryptoPayment, include_str!("words/crypto.txt")),
    (Flag::WirePayment, include_str!("words/wire.txt")),
    (Flag::WalletPayment, include_str!("words/wallet.txt")),
    (Flag::BankDetails, include_str!("words/bank_details.txt")),
    (Flag::SecretCodes, include_str!("words/secret_codes.txt")),
    (Flag::IdCopy, include_str!("words/id_copy.txt")),
    (Flag::GiftCardTask, include_str!("words/gift_card_task.txt")),
    (Flag::MoneyTransfer, include_str!("words/money_transfer.txt")),
    (Flag::Reshipping, include_str!("words/reshipping.txt")),
    (Flag::FakeCheque, include_str!("words/cheque.txt")),
    (Flag::Instructions, include_str!("words/instructions.txt")),
    (Flag::ChatOnly, include_str!("words/chat_only.txt")),
    (Flag::GuaranteedIncome, include_str!("words/guaranteed.txt")),
    (Flag::ClickTasks, include_str!("words/click_tasks.txt")),
    (
        Flag::MysteryShopper,
        "mystery|secret shopper|shoppers|shopping\ncomprador|cliente misterioso\ncliente oculto",
    ),
    (Flag::SelectedUnasked, include_str!("words/selected.txt")),
    (Flag::NoInterview, include_str!("words/no_interview.txt")),
    (Flag::Pyramid, include_str!("words/pyramid.txt")),
    (Flag::VisaGuaranteed, include_str!("words/visa.txt")),
    (Flag::Protests, include_str!("words/protests.txt")),
    (Flag::Urgency, include_str!("words/urgency.txt")),
];

/// Words that name a fee without asking for it: a flag unless the sentence says that the employer pays.
pub(super) const FEE_NAMED: &str = include_str!("words/fee_named.txt");
/// Words by which the employer takes a cost upon itself.
pub(super) const EMPLOYER_PAYS: &str = include_str!("words/employer_pays.txt");
/// "No experience", in its languages.
pub(super) const NO_EXPERIENCE: &str = include_str!("words/no_experience.txt");
/// Being reached by chat, though perhaps not by chat alone.
pub(super) const CHAT: &str = include_str!("words/chat.txt");

/// Companies whose names are often borrowed.
pub(super) const BRANDS: &[&str] = &[
    "google",
    "amazon",
    "microsoft",
    "apple",
    "facebook",
    "meta",
    "netflix",
    "tesla",
    "walmart",
    "dhl",
    "fedex",
    "ups",
    "unilever",
    "nestle",
    "deloitte",
    "pwc",
    "kpmg",
    "accenture",
    "ibm",
    "oracle",
    "samsung",
    "sony",
    "tcs",
    "infosys",
    "wipro",
    "flipkart",
    "reliance",
    "tata",
    "airtel",
    "paytm",
    "uber",
    "airbnb",
    "tiktok",
    "youtube",
    "instagram",
    "linkedin",
    "shell",
    "emirates",
    "toyota",
    "bmw",
    "mercedes",
    "siemens",
    "ncell",
    "daraz",
    "foodpanda",
    "ikea",
    "starbucks",
    "unicef",
    "coca",
    "pepsi",
    "mcdonalds",
    "hsbc",
    "citibank",
    "ntpc",
    "isro",
    "lufthansa",
];
