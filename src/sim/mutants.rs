//! Planted mutants: each distorts one message between the core and its world; the ledger must find every one. Two are
//! named as equivalent: no promise depends on what they take away, so they must not be found.

macro_rules! mutants {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// A planted fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[$doc])* $variant,)+
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

mutants! {
    /// The core hears that a batch is durable before it is.
    AckBeforeSync = "ack-before-sync",
    /// After a crash nobody looks for deliveries without rows.
    LostRecovery = "lost-recovery",
    /// After a crash the due index is forgotten.
    LostDueHeads = "lost-due-heads",
    /// After a crash one endpoint is forgotten.
    LostEndpoint = "lost-endpoint",
    /// After a crash the brief keys are forgotten.
    LostBriefKeys = "lost-brief-keys",
    /// Each attempt carries an id of its own.
    IdPerAttempt = "id-per-attempt",
    /// A switched-off endpoint is off on disk alone.
    DisableIgnored = "disable-ignored",
    /// A deleted endpoint is deleted on disk alone.
    DeleteIgnored = "delete-ignored",
    /// A changed URL is changed on disk alone.
    PatchIgnored = "patch-ignored",
    /// A paused endpoint is paused on disk alone.
    PauseIgnored = "pause-ignored",
    /// An endpoint's rate is changed on disk alone.
    RateIgnored = "rate-ignored",
    /// How many attempts an endpoint takes at one time is changed on disk alone.
    FlightsIgnored = "flights-ignored",
    /// A 410 is a failure like any other.
    GoneIgnored = "gone-ignored",
    /// Attempts end four seconds earlier than they do, and so the next begins.
    EarlyRetry = "early-retry",
    /// Attempts end an hour later than they do.
    LateRetry = "late-retry",
    /// Recovery begins behind events that still need it.
    MarkTooFar = "mark-too-far",
    /// Recovery always begins where it once began.
    MarkStands = "mark-stands",
    /// A read of the due index loses a line.
    DroppedDueLine = "dropped-due-line",
    /// A read of the due index is told twice.
    SliceTwice = "slice-twice",
    /// A delivery that leaves memory is not written down.
    ForgottenPark = "forgotten-park",
    /// A request goes out twice.
    DoubleSend = "double-send",
    /// An outcome is not written down.
    LostOutcome = "lost-outcome",
    /// Idempotency keys are not looked at.
    KeyIgnored = "key-ignored",
    /// Callers' event ids are not looked at.
    UidIgnored = "uid-ignored",
    /// What makes a repeated inbound event the same is not looked at.
    DuplicateIgnored = "duplicate-ignored",
    /// Another body under the key of an inbound event is taken for a repetition.
    ConflictIgnored = "conflict-ignored",
    /// Another spelling of an inbound event is taken for another event.
    SpellingIgnored = "spelling-ignored",
    /// What is to be held back is delivered.
    HoldIgnored = "hold-ignored",
    /// What is held back is lost.
    LostHeld = "lost-held",
    /// After a crash nobody is told of what was held back just before.
    HeldUntold = "held-untold",
    /// A conflict is delivered under the name of the event that it contradicts.
    NameDoubled = "name-doubled",
    /// After a crash the inbound events are forgotten whose keys waited for the index.
    LostTail = "lost-tail",
    /// The keys of inbound events are not in the index when they no longer wait for it.
    LostIndex = "lost-index",
    /// What the store refused is taken for done.
    RefusalIgnored = "refusal-ignored",
    /// One endpoint of several is left out.
    FanOutMissingOne = "fan-out-missing-one",
    /// What never left this machine counts as an attempt.
    LocalCounted = "local-counted",
    /// `Retry-After` is not read.
    RetryAfterIgnored = "retry-after-ignored",
    /// The body is not the one that was accepted.
    BodyChanged = "body-changed",
    /// A deleted endpoint's deliveries are not canceled.
    CancelIgnored = "cancel-ignored",
    /// The ladder ends after three attempts.
    LadderCut = "ladder-cut",
    /// A resend is acknowledged and not written down.
    ResendDropped = "resend-dropped",
    /// A delivery that leaves memory forgets whom it waits for.
    TurnForgotten = "turn-forgotten",
    /// After a crash it is forgotten which keys have deliveries that others wait for.
    LostChains = "lost-chains",
    /// Whose turn it is after a commit is not told.
    LostTurns = "lost-turns",
    /// What tells of an attempt is written down one commit before it.
    NewsBeforeCause = "news-before-cause",
    /// After a crash what was told last is told again.
    NewsTwice = "news-twice",
    /// Something happens and is not told.
    NewsForgotten = "news-forgotten",
    /// After a crash each environment is told what happens in another.
    NewsMisled = "news-misled",
    /// What happens to one endpoint is told of another.
    NewsOfAnother = "news-of-another",
    /// A change is told that was refused.
    RefusalTold = "refusal-told",
    /// A slot is given back when the request goes out, not when its answer comes.
    SlotFreedEarly = "slot-freed-early",
    /// Equivalent: a report is told twice. A lease ends with its first report, the second finds nobody.
    ReportTwice = "report-twice",
    /// Equivalent: keys past their time are never deleted. What is past its time is not looked at.
    ForgetIgnored = "forget-ignored",
}

impl Mutant {
    /// The mutant of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mutant| mutant.name() == name)
    }

    /// Why it cannot be found, for those that change nothing a promise depends on.
    #[must_use]
    pub fn equivalent(self) -> Option<&'static str> {
        match self {
            Self::ReportTwice => Some("a lease ends with its first report"),
            Self::ForgetIgnored => Some("a key past its time is not looked at, deleted or not"),
            _ => None,
        }
    }
}
