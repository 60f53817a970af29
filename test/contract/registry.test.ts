import { accessContract } from './access.ts'
import { answerStoreContract } from './answer-store.ts'
import { consentContract } from './consent.ts'
import { mandatesContract } from './mandates.ts'
import { registryContract } from './registry.ts'
import { sqliteStores } from './stores.ts'
import { ticketsContract } from './tickets.ts'
import { tokensContract } from './tokens.ts'

registryContract('SQLite', sqliteStores)
tokensContract('SQLite', sqliteStores)
accessContract('SQLite', sqliteStores)
ticketsContract('SQLite', sqliteStores)
answerStoreContract('SQLite', sqliteStores)
consentContract('SQLite', sqliteStores)
mandatesContract('SQLite', sqliteStores)
