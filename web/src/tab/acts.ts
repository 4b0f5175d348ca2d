// What the engine asks of the page: the other side of `Act` in crates/web/src/bindings.rs, in the same order.

export const enum Kind {
  Fetch,
  StopFetch,
  Socket,
  Tell,
  EndSocket,
  Call,
  AnswerCall,
  Accepted,
  Candidate,
  Packet,
  HangUp,
  Title,
  Ready,
  Note,
  Keep,
  Load,
  Forget,
  Given,
}
